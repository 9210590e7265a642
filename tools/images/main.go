// Command images builds the services' container images, with no container
// engine: static programs on nothing but the authorities that they trust. The
// same sources give the same digest on every machine.
//
//	images -out out/images [-platform linux/arm64] [-push REGISTRY/PREFIX] [SERVICE…]
//
// It leaves an archive in the OCI layout for each service and digests.json, and
// prints the digests. With -push, images go to REGISTRY/PREFIX/SERVICE with the
// login of docker's own configuration.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// services are the programs that have an image each.
var services = []string{"api", "autoscaler", "consumer"}

func main() {
	var b build
	flag.StringVar(&b.root, "root", ".", "the repository")
	flag.StringVar(&b.out, "out", "out/images", "directory for the archives")
	flag.StringVar(&b.platform, "platform", "linux/"+runtime.GOARCH, "of the nodes that shall run the images")
	flag.StringVar(&b.version, "version", "dev", "of the programs")
	flag.StringVar(&b.push, "push", "", "registry and prefix of the repositories; empty pushes nothing")
	flag.Parse()
	if flag.NArg() > 0 {
		services = flag.Args()
	}
	if err := b.run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "images: %v\n", err)
		os.Exit(1)
	}
}

// build is one run.
type build struct {
	root, out, platform, version, push string
}

func (b build) run(ctx context.Context) error {
	if err := os.MkdirAll(b.out, 0o755); err != nil { //nolint:gosec // nothing in it is secret
		return fmt.Errorf("make the directory of the archives: %w", err)
	}
	digests := make(map[string]string, len(services))
	for _, service := range services {
		digest, err := b.service(ctx, service)
		if err != nil {
			return fmt.Errorf("image of %s: %w", service, err)
		}
		digests[service] = digest.String()
		fmt.Printf("%-12s %s\n", service, digest)
	}
	text, err := json.MarshalIndent(digests, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.out, "digests.json"), append(text, '\n'), 0o644) //nolint:gosec // nothing in it is secret
}

func (b build) service(ctx context.Context, service string) (v1.Hash, error) {
	platform, err := v1.ParsePlatform(b.platform)
	if err != nil {
		return v1.Hash{}, err
	}
	program, err := b.compile(ctx, service, platform)
	if err != nil {
		return v1.Hash{}, err
	}
	image, err := newImage(content{service: service, version: b.version, platform: *platform, program: program})
	if err != nil {
		return v1.Hash{}, err
	}
	digest, err := image.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	if err := writeArchive(filepath.Join(b.out, service+".tar"), image, "trivet/"+service+":"+b.version); err != nil {
		return v1.Hash{}, err
	}
	return digest, b.pushImage(ctx, service, image)
}

// compile builds a program that needs nothing but the kernel. What git knows
// stays out, so that a file beside the sources does not change the digest.
func (b build) compile(ctx context.Context, service string, platform *v1.Platform) ([]byte, error) {
	dir, err := os.MkdirTemp("", "trivet-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "trivet-"+service)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", //nolint:gosec // the operator names the services
		"-ldflags", "-s -w -buildid= -X github.com/trivetkv/trivet/pkg/telemetry.version="+b.version,
		"-o", path, "./services/"+service)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=", "GOOS="+platform.OS, "GOARCH="+platform.Architecture)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(err, errors.New(strings.TrimSpace(string(out))))
	}
	return os.ReadFile(path)
}

// pushImage sends an image to the registry under its version. A repository whose
// tags are immutable refuses another image of the same version.
func (b build) pushImage(ctx context.Context, service string, image v1.Image) error {
	if b.push == "" {
		return nil
	}
	reference, err := name.NewTag(b.push + "/" + service + ":" + b.version)
	if err != nil {
		return err
	}
	return remote.Write(reference, image, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
}
