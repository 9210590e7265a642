package advise

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Node is a kind of node and what an hour of one costs.
type Node struct {
	Type    string
	CPUs    float64 // cores
	Memory  float64 // bytes
	HourUSD float64
}

// What a node's system needs for itself, and the agents that run on every node.
const (
	systemCPUs   = 0.25
	systemMemory = 1 << 30
)

// fits is how many pods of a kind a node takes.
func (n *Node) fits(pod Usage) int {
	room := math.Inf(1)
	if pod.CPUs > 0 {
		room = (n.CPUs - systemCPUs) / pod.CPUs
	}
	if pod.Memory > 0 {
		room = min(room, (n.Memory-systemMemory)/pod.Memory)
	}
	if math.IsInf(room, 1) || room < 1 {
		return 0
	}
	return int(room)
}

// NodePlan is what pods would have cost on nodes of a type, had there been as
// many as they needed at each time.
type NodePlan struct {
	Type        string  `json:"type"`
	PodsPerNode int     `json:"pods_per_node"`
	MostNodes   int     `json:"most_nodes"`
	MonthUSD    float64 `json:"month_usd"`
}

// hoursAMonth is how many hours a month has on average.
const hoursAMonth = 730

// Plan works out what pods of a kind would have cost on each type of node that
// takes at least one, the cheapest first.
func Plan(pod Usage, sizes []SizeHours, nodes []Node) []NodePlan {
	var plans []NodePlan
	for i := range nodes {
		fits := nodes[i].fits(pod)
		if fits == 0 {
			continue
		}
		plan := NodePlan{Type: nodes[i].Type, PodsPerNode: fits}
		nodeHours, hours := 0., 0.
		for _, s := range sizes {
			n := (s.Pods + fits - 1) / fits
			plan.MostNodes = max(plan.MostNodes, n)
			nodeHours, hours = nodeHours+s.Hours*float64(n), hours+s.Hours
		}
		if hours > 0 {
			plan.MonthUSD = nodeHours / hours * hoursAMonth * nodes[i].HourUSD
		}
		plans = append(plans, plan)
	}
	slices.SortStableFunc(plans, func(a, b NodePlan) int { return cmp.Compare(a.MonthUSD, b.MonthUSD) })
	return plans
}

// priceColumns are those of a price table.
var priceColumns = []string{"region", "service", "item", "unit", "usd", "date", "source"}

// ReadNodes reads the node types of a region from a price table in CSV, as
// infra/cost/prices.csv is one: rows of the service ec2 by the hour.
func ReadNodes(r io.Reader, region string) ([]Node, error) {
	rows := csv.NewReader(r)
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("the prices' header: %w", err)
	}
	if !slices.Equal(header, priceColumns) {
		return nil, fmt.Errorf("the prices' header has to be %s", strings.Join(priceColumns, ","))
	}
	var nodes []Node
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the prices: %w", err)
		}
		if row[0] != region || row[1] != "ec2" || row[3] != "hour" {
			continue
		}
		price, err := strconv.ParseFloat(row[4], 64)
		if err != nil || !(price > 0) {
			line, _ := rows.FieldPos(4)
			return nil, fmt.Errorf("the prices: line %d: %q is no price", line, row[4])
		}
		if cpus, memory, ok := instanceSize(row[2]); ok {
			nodes = append(nodes, Node{Type: row[2], CPUs: cpus, Memory: memory, HourUSD: price})
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("the prices have no nodes of region %s", region)
	}
	return nodes, nil
}

// instanceSize gives cores and memory of an EC2 instance type by its name: the
// family's letter says how much memory there is for a core, the size how many
// cores. Sizes below large have two cores and less memory.
func instanceSize(name string) (cpus, memory float64, ok bool) {
	const gibibyte = 1 << 30
	family, size, found := strings.Cut(name, ".")
	if !found || family == "" {
		return 0, 0, false
	}
	perCore := map[byte]float64{'c': 2, 'm': 4, 'r': 8, 't': 4}[family[0]]
	if perCore == 0 || len(family) < 2 || family[1] < '0' || family[1] > '9' {
		return 0, 0, false // families such as mac and trn are something else
	}
	switch size {
	case "small", "medium":
		if family[0] != 't' {
			return 0, 0, false
		}
		return 2, map[string]float64{"small": 2, "medium": 4}[size] * gibibyte, true
	case "large":
		cpus = 2
	case "xlarge":
		cpus = 4
	default:
		times, err := strconv.Atoi(strings.TrimSuffix(size, "xlarge"))
		if err != nil || times < 2 {
			return 0, 0, false
		}
		cpus = 4 * float64(times)
	}
	return cpus, cpus * perCore * gibibyte, true
}
