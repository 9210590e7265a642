package config

// Simulator says where "trivet simulate" finds the simulator's program.
type Simulator struct {
	Program string `env:"TRIVET_SIMULATOR" doc:"The simulator's program, which \"trivet simulate\" starts. Without it: trivet-simulator beside trivet or on the PATH."`
}
