package rehearsal

import "context"

// Plan only previews a stack, in a few seconds: nothing is made, not even by a
// stand-in. What the program would make is the program's to tell.
func Plan(ctx context.Context, o Options) error {
	_, err := plan(ctx, o, false)
	return err
}

// PlanUnknown plans a stack while every output of every resource is unknown,
// and gives how many it would make. A resource that is made within an apply is
// not among them.
func PlanUnknown(ctx context.Context, o Options) (Counts, error) { return plan(ctx, o, true) }

func plan(ctx context.Context, o Options, unknown bool) (Counts, error) {
	r, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	r.cloud.Silent = unknown
	s, err := r.steps(ctx)
	if err != nil {
		return nil, err
	}
	preview, err := s.preview(ctx, "plan")
	return preview.counts, err
}
