package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// machine is what the numbers depend on.
type machine struct {
	Time       string  `json:"time"`
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	MemoryGiB  float64 `json:"memory_gib"`
	Kernel     string  `json:"kernel"`
	Go         string  `json:"go"`
	Load       string  `json:"load"` // averages of 1, 5 and 15 minutes before the run
	Filesystem string  `json:"filesystem"`
	FsyncP50us float64 `json:"fsync_p50_us"`
	FsyncP99us float64 `json:"fsync_p99_us"`
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GiB, Linux %s, %s; load average %s\n%s: write of 4 KiB and fsync, p50 %.0f µs, p99 %.0f µs",
		m.CPU, m.Cores, m.MemoryGiB, m.Kernel, m.Go, m.Load, m.Filesystem, m.FsyncP50us, m.FsyncP99us)
}

func describeMachine(dir string) (machine, error) {
	m := machine{Time: time.Now().UTC().Format(time.RFC3339), CPU: "unknown processor", Cores: runtime.NumCPU(), Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = field(string(text), "model name")
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib float64
		_, _ = fmt.Sscan(field(string(text), "MemTotal"), &kib)
		m.MemoryGiB = kib / (1 << 20)
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	m.Filesystem = filesystem(dir)
	var err error
	m.FsyncP50us, m.FsyncP99us, err = fsyncTimes(dir)
	return m, err
}

// field gives the value of the first line "name: value".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// filesystem names the file system that a directory is on.
func filesystem(dir string) string {
	dir, err := filepath.Abs(dir)
	text, readErr := os.ReadFile("/proc/mounts")
	if err != nil || readErr != nil {
		return "unknown file system"
	}
	name, longest := "unknown file system", 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if dir == f[1] || f[1] == "/" || strings.HasPrefix(dir, f[1]+"/") {
			name, longest = f[2]+" on "+f[0], len(f[1])
		}
	}
	return name
}

// fsyncTimes measures what one durable write costs here at the least.
func fsyncTimes(dir string) (p50, p99 float64, err error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	const writes = 500
	times := make([]float64, writes)
	block := make([]byte, 4096)
	for i := range times {
		begin := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		times[i] = float64(time.Since(begin).Microseconds())
	}
	slices.Sort(times)
	return times[writes/2], times[writes*99/100], nil
}
