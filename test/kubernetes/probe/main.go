// Command probe stands beside a program in a pod of the tests on a cluster:
//
//	probe load -url http://api:8080 -rate 200   offers requests, on connections that are new
//	probe gate -target 127.0.0.1:9090           passes a port on, until it is told to cut it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	err := errors.New("say load or gate")
	if len(os.Args) > 1 {
		flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
		switch os.Args[1] {
		case "load":
			err = load(ctx, flags)
		case "gate":
			err = gate(ctx, flags)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "probe: %v\n", err)
		os.Exit(1)
	}
}

// mostWaiting requests are under way at a time; beyond it, one that is due is
// left out, as a client with a bounded pool would.
const mostWaiting = 512

// load sends requests at a rate, whatever becomes of them. Each has a
// connection of its own, so that a Service spreads them over all pods that are
// ready: it chooses a pod by connection.
func load(ctx context.Context, flags *flag.FlagSet) error {
	url := flags.String("url", "", "what to ask for")
	rate := flags.Float64("rate", 10, "requests a second")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	token := os.Getenv("PROBE_TOKEN")
	slots := make(chan struct{}, mostWaiting)
	due := time.NewTicker(time.Duration(float64(time.Second) / *rate))
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
		}
		select {
		case slots <- struct{}{}:
			go func() {
				ask(ctx, client, *url, token)
				<-slots
			}()
		default:
		}
	}
}

// ask sends one request. What comes of it is told by the pods' metrics.
func ask(ctx context.Context, client *http.Client, url, token string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody) //nolint:gosec // the URL is an argument of this program's
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request) //nolint:gosec // as above
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

// gate passes connections on until POST /cut, and again after POST /open. POST
// /kill?name= kills a program of the pod, without giving it a chance to
// release anything.
func gate(ctx context.Context, flags *flag.FlagSet) error {
	listen := flags.String("listen", ":9091", "where to listen")
	target := flags.String("target", "127.0.0.1:9090", "where to pass connections on to")
	orders := flags.String("orders", ":9092", "where to take orders")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	var cut atomic.Bool
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(ctx, conn, *target, &cut)
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cut", func(http.ResponseWriter, *http.Request) { cut.Store(true) })
	mux.HandleFunc("POST /open", func(http.ResponseWriter, *http.Request) { cut.Store(false) })
	mux.HandleFunc("POST /kill", func(w http.ResponseWriter, r *http.Request) {
		if err := kill(r.URL.Query().Get("name")); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	server := &http.Server{Addr: *orders, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
		_ = listener.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// look is how often a connection that is passed on looks whether it was cut.
const look = 50 * time.Millisecond

// pass copies both ways until either side ends or the gate is cut.
func pass(ctx context.Context, conn net.Conn, target string, cut *atomic.Bool) {
	defer func() { _ = conn.Close() }()
	if cut.Load() {
		return
	}
	behind, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = behind.Close() }()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{conn, behind}, {behind, conn}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !cut.Load() {
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// kill sends SIGKILL to the program of a name that shares this pod's processes.
func kill(name string) error {
	programs, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return err
	}
	for _, link := range programs {
		if program, err := os.Readlink(link); err != nil || filepath.Base(program) != name {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return fmt.Errorf("no program is called %q", name)
}
