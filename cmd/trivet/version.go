package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/telemetry"
)

func (t *terminal) versionCommand() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Tell what this program was built from",
		Example: `  trivet version
  trivet version -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			build := telemetry.ReadBuild()
			if !output.isText() {
				return output.document(t.out, build)
			}
			_, err := fmt.Fprintf(t.out, "trivet %s\nrevision %s\n%s %s\n", build.Version, build.Revision, build.Go, build.Platform)
			return err
		},
	}
	output.flag(cmd)
	return cmd
}
