package main

import (
	"context"
	"fmt"
	"strings"
)

// group measures rows that belong together.
type group struct {
	name    string
	measure func(ctx context.Context, b *run) ([]row, error)
}

// groups in the order in which they are measured.
var groups = []group{
	{"start", measureStart},
	{"memory", measureMemory},
	{"throughput", measureThroughput},
	{"overhead", measureOverhead},
	{"servers", measureServers},
	{"parts", measureParts},
	{"mixed", measureMixed},
	{"watchers", measureWatchers},
}

// run is what groups share.
type run struct {
	plan plan
	dir  string // for the systems' data
	bin  string // of our programs
	ours system
	peer system
	data *dataset
}

// groupNames is the value of a flag; empty is all.
type groupNames []string

func (g *groupNames) String() string { return strings.Join(*g, ",") }

func (g *groupNames) Set(text string) error {
	for _, name := range strings.Split(text, ",") {
		if !strings.Contains(","+strings.ReplaceAll(groupList(), " ", "")+",", ","+name+",") {
			return fmt.Errorf("there is no group %q, only %s", name, groupList())
		}
		*g = append(*g, name)
	}
	return nil
}

func (g *groupNames) has(name string) bool {
	if len(*g) == 0 {
		return true
	}
	for _, n := range *g {
		if n == name {
			return true
		}
	}
	return false
}

func groupList() string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}
