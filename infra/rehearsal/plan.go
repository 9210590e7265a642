package rehearsal

import (
	"context"
	"os"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// Plan only previews a stack, in a few seconds: nothing is made, not even by a
// stand-in. What the program would make is the program's to tell.
func Plan(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "trivet-plan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory

	cloud := standin.NewCloud()
	providers, err := Providers(cloud, o.Now, "")
	if err != nil {
		return err
	}
	plugins, err := standin.Serve(ctx, cloud, providers...)
	if err != nil {
		return err
	}
	defer plugins.Close()
	cli, err := newCommand(ctx, o.Pulumi)
	if err != nil {
		return err
	}
	w, _, err := newWorkspace(dir, o.Root, cli, plugins)
	if err != nil {
		return err
	}
	stack, err := w.stack(ctx, o.Stack, o.File, o.Program, o.Settings)
	if err != nil {
		return err
	}
	_, err = steps{stack: stack, progress: o.Progress, now: o.Now}.preview(ctx, "plan")
	return err
}
