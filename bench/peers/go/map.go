// Two goroutines on two processors take chunks of primes from a channel. "speedup": over one after the other, the median.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"time"
)

const chunks = 64

func count(a, b int) int {
	c := 0
	for n := a; n < b; n++ {
		if n == 2 {
			c++
		} else if n > 2 && n%2 == 1 {
			prime := true
			for d := 3; d*d <= n; d += 2 {
				if n%d == 0 {
					prime = false
					break
				}
			}
			if prime {
				c++
			}
		}
	}
	return c
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	rounds, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(2)
	step := n / chunks
	var ratios []float64
	for round := 0; round < rounds; round++ {
		t, s := time.Now(), 0
		for i := 0; i < chunks; i++ {
			s += count(i*step, (i+1)*step)
		}
		one := time.Since(t).Seconds()
		t = time.Now()
		jobs, results := make(chan int, chunks), make(chan int, chunks)
		for k := 0; k < 2; k++ {
			go func() {
				for i := range jobs {
					results <- count(i*step, (i+1)*step)
				}
			}()
		}
		for i := 0; i < chunks; i++ {
			jobs <- i
		}
		close(jobs)
		same := 0
		for i := 0; i < chunks; i++ {
			same += <-results
		}
		if s != same {
			panic("bad")
		}
		ratios = append(ratios, one/time.Since(t).Seconds())
	}
	sort.Float64s(ratios)
	fmt.Printf("speedup %.4f\n", ratios[rounds/2])
}
