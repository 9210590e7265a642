package cost

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"sync"
)

// A Price is one row of the table: what AWS asks for a unit, on demand and
// without discounts, on a day.
type Price struct {
	Region  string // global for what costs the same everywhere
	Service string
	Item    string
	Unit    string
	USD     float64
	Date    string // YYYY-MM-DD, when the price was looked up
	Source  string // page of AWS that says so
}

//go:embed prices.csv
var table []byte

// Prices gives the table.
var Prices = sync.OnceValue(func() []Price {
	prices, err := parse(table)
	if err != nil {
		panic(err) // the table is part of the program, and a test reads it
	}
	return prices
})

func parse(text []byte) ([]Price, error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("table of prices: %w", err)
	}
	var prices []Price
	for i, row := range rows[1:] { // below the header
		usd, err := strconv.ParseFloat(row[4], 64)
		if err != nil {
			return nil, fmt.Errorf("table of prices, row %d: %w", i+2, err)
		}
		prices = append(prices, Price{
			Region: row[0], Service: row[1], Item: row[2], Unit: row[3], USD: usd, Date: row[5], Source: row[6],
		})
	}
	return prices, nil
}

const global = "global"

// price finds a row of the region, or of everywhere.
func price(region, service, item string) (Price, bool) {
	for _, p := range Prices() {
		if (p.Region == region || p.Region == global) && p.Service == service && p.Item == item {
			return p, true
		}
	}
	return Price{}, false
}
