// Servers for bench/c/load_net on one processor: echo, bulk, http.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
)

func main() {
	runtime.GOMAXPROCS(1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	if os.Args[1] == "http" {
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "13")
			w.Write([]byte("Hello, world\n"))
		})
		panic(http.Serve(l, nil))
	}
	for {
		c, err := l.Accept()
		if err != nil {
			continue
		}
		go func() {
			defer c.Close()
			size := 4096
			if os.Args[1] == "bulk" {
				size = 65536
			}
			buf := make([]byte, size)
			for {
				n, err := c.Read(buf)
				if err != nil {
					break
				}
				if os.Args[1] == "echo" {
					c.Write(buf[:n])
				}
			}
			if os.Args[1] == "bulk" {
				c.Write([]byte("done\n"))
			}
		}()
	}
}
