package config

import (
	"fmt"
	"strings"
)

// Reference gives the page of every variable, docs/configuration.md.
func Reference() string {
	var page strings.Builder
	page.WriteString(`# Configuration

Settings are environment variables. Each may be given as ` + "`NAME_FILE`" + ` instead, the path of a file that holds the value, such as
a mounted secret; one newline at its end is ignored, and setting both is an error. A variable that is set to nothing is as
good as one that is not set. A ` + "`TRIVET_`" + ` variable that is unknown or malformed stops the start with one line that names it.
Flags win over variables.

This page is written from the declarations in ` + "`pkg/config`" + ` by ` + "`go test ./pkg/config -run TestReference -update`" + `.
`)
	for _, s := range sections {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n| variable | default | meaning |\n|---|---|---|\n", s.title, s.intro)
		for _, v := range variables(s.settings) {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", v.Name, defaultText(v), quoteAsCode(v.Doc))
		}
	}
	return page.String()
}

func defaultText(v Variable) string {
	switch {
	case v.Default != "":
		return "`" + v.Default + "`"
	case v.Secret:
		return "none (secret)"
	default:
		return "none"
	}
}

// quoteAsCode turns quotation marks into Markdown's code marks, which cannot
// be written in a struct tag.
func quoteAsCode(text string) string { return strings.ReplaceAll(text, `"`, "`") }
