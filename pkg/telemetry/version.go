package telemetry

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker in release builds.
var version string

// Build says what a program was built from.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the source, "" when it is not known
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadBuild tells what this program was built from.
func ReadBuild() Build {
	b := Build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}
