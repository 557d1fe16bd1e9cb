// Encode and decode 1,000 records of 10 mixed fields with encoding/gob, into structs (its best case) ("us"),
// and the same as maps through encoding/json ("json_us").
package main

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// cpu is the CPU time that the process has had, in ns.
func cpu() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano() + r.Stime.Nano())
}

type address struct {
	Street string
	Zip    int
}

type record struct {
	Id      int
	Name    string
	Score   float64
	Active  bool
	Email   string
	Tags    []string
	Address address
	Balance int
	Note    string
	Ratio   float64
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	var records []record
	var maps []map[string]any
	for i := 1; i <= 1000; i++ {
		r := record{i, fmt.Sprint("user number ", i), float64(i)*1.25 + .5, i%2 == 0,
			fmt.Sprintf("user%d@example.org", i), []string{"alpha", "beta", "gamma"},
			address{fmt.Sprint("Main street ", i), 10000 + i}, -i * 1000, strings.Repeat("lorem ipsum ", 4), 1 / float64(i)}
		records = append(records, r)
		maps = append(maps, map[string]any{"id": r.Id, "name": r.Name, "score": r.Score, "active": r.Active,
			"email": r.Email, "tags": r.Tags, "address": map[string]any{"street": r.Address.Street, "zip": r.Address.Zip},
			"balance": r.Balance, "note": r.Note, "ratio": r.Ratio})
	}
	measure := func(metric string, once func() error) {
		for i := 0; i < 3; i++ {
			if err := once(); err != nil {
				panic(err)
			}
		}
		t := cpu()
		for i := 0; i < n; i++ {
			once()
		}
		fmt.Printf("%s %.3f\n", metric, (cpu()-t)/1e3/float64(n))
	}
	measure("us", func() error {
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(records); err != nil {
			return err
		}
		var v []record
		return gob.NewDecoder(&b).Decode(&v)
	})
	measure("json_us", func() error {
		b, err := json.Marshal(maps)
		if err != nil {
			return err
		}
		var v []map[string]any
		return json.Unmarshal(b, &v)
	})
}
