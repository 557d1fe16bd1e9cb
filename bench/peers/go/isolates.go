// Goroutines that share nothing but channels, on several processors. Arguments: what, n, and more.
// start: n in all, a batch at a time. trip: there and back, on p processors; locked: each on a thread of its own.
// channel: values through a channel of 128; "table" copies a map for each message, as what crosses isolates is copied.
// across: a slice of so many integers, copied, there and back; a crossing is half of that.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func start(n, batch int) {
	runtime.GOMAXPROCS(2)
	var wg sync.WaitGroup
	t := time.Now()
	for r := 0; r < n/batch; r++ {
		wg.Add(batch)
		for i := 0; i < batch; i++ {
			go wg.Done()
		}
		wg.Wait()
	}
	fmt.Printf("us %.4f\n", float64(time.Since(t).Nanoseconds())/1e3/float64(n/batch*batch))
}

func echo(a, b chan int, locked bool) {
	if locked {
		runtime.LockOSThread()
	}
	for v := range a {
		b <- v
	}
}

func trip(n int, locked bool) float64 {
	a, b := make(chan int), make(chan int)
	go echo(a, b, locked)
	done := make(chan float64)
	go func() {
		if locked {
			runtime.LockOSThread()
		}
		t := time.Now()
		for i := -n / 10; i < n; i++ {
			if i == 0 {
				t = time.Now()
			}
			a <- i
			<-b
		}
		done <- float64(time.Since(t).Nanoseconds()) / float64(n)
	}()
	ns := <-done
	close(a)
	return ns
}

func pass[T any](n int, make_ func() T) float64 {
	c, done := make(chan T, 128), make(chan bool)
	t := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			<-c
		}
		done <- true
	}()
	for i := 0; i < n; i++ {
		c <- make_()
	}
	<-done
	return float64(n) / time.Since(t).Seconds()
}

func channel(n int, kind string) float64 {
	runtime.GOMAXPROCS(2)
	switch kind {
	case "integers":
		return pass(n, func() int { return 42 })
	case "table":
		m := map[string]any{}
		for i := 1; i <= 10; i++ {
			if i%2 == 0 {
				m["key"+strconv.Itoa(i)] = i
			} else {
				m["key"+strconv.Itoa(i)] = "value" + strconv.Itoa(i)
			}
		}
		return pass(n, func() map[string]any {
			c := make(map[string]any, len(m))
			for k, v := range m {
				c[k] = v
			}
			return c
		})
	case "string":
		text := make([]byte, 1<<20)
		return pass(n, func() string { return string(text) })
	}
	buffer := make([]byte, 1<<20)
	return pass(n, func() []byte { return buffer })
}

func across(n, size int) {
	runtime.GOMAXPROCS(2)
	there, back := make(chan []int), make(chan []int)
	clone := func(from []int) []int { return append([]int(nil), from...) }
	go func() {
		for v := range there {
			back <- clone(v)
		}
	}()
	list := make([]int, size)
	t := time.Now()
	for i := 0; i < n; i++ {
		there <- clone(list)
		list = <-back
	}
	fmt.Printf("ms %.4f\n", float64(time.Since(t).Nanoseconds())/1e6/float64(n)/2)
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	m, _ := strconv.Atoi(os.Args[3])
	switch os.Args[1] {
	case "start":
		start(n, m)
	case "trip":
		runtime.GOMAXPROCS(m)
		fmt.Printf("ns %.2f\n", trip(n, false))
		if m > 1 {
			fmt.Printf("apart_ns %.2f\n", trip(n/10, true))
		}
	case "channel":
		fmt.Printf("rate %.0f\n", channel(n, os.Args[3]))
	case "across":
		across(n, m)
	}
}
