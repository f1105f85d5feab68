//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// agent is the script that the launcher calls instead of ssh: it runs a command on a host.
const agent = `#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=${1##*.}
shift
exec ip netns exec PREFIX$host unshare --uts sh -c "hostname node$host; $*"
`

// launch runs a program on all hosts, one rank each.
func (n *network) launch(ctx context.Context, launcher string, program []string) error {
	path := filepath.Join(n.dir, "agent")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(agent, "PREFIX", n.prefix)), 0o755); err != nil {
		return err
	}
	if p, err := filepath.Abs(program[0]); err == nil && strings.Contains(program[0], "/") {
		program = slices.Concat([]string{p}, program[1:])
	}
	var hosts []string
	for i := 1; i <= n.hosts; i++ {
		hosts = append(hosts, n.address(i))
	}
	count := fmt.Sprint(n.hosts)
	var args []string
	switch launcher {
	case "openmpi":
		args = []string{
			"mpirun.openmpi", "--allow-run-as-root",
			"-n", count, "--host", strings.Join(hosts, ","),
			"--map-by", "node", "--bind-to", "none",
			"--mca", "plm_rsh_agent", path,
			"--mca", "pml", "ob1",
			"--mca", "btl", "self,tcp",
			"--mca", "btl_tcp_if_include", device,
			"--mca", "oob_tcp_if_include", device,
			"-x", "PATH",
		}
	case "mpich":
		args = []string{
			"mpirun.mpich",
			"-n", count, "-hosts", strings.Join(hosts, ","),
			"-launcher", "rsh", "-launcher-exec", path,
			"-iface", device,
		}
	default:
		return fmt.Errorf("-mpi: want openmpi or mpich, got %q", launcher)
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		if _, err := exec.LookPath("mpirun"); err != nil {
			return fmt.Errorf("there is no mpirun (Debian: openmpi-bin or mpich)")
		}
		args[0] = "mpirun"
	}
	inside := []string{"netns", "exec", n.host(1), "unshare", "--uts", "sh", "-c", `hostname node1; exec "$@"`, "sh"}
	cmd := exec.CommandContext(ctx, "ip", slices.Concat(inside, args, program)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// UCX would find out that all hosts are one machine, and not use the network.
	cmd.Env = append(os.Environ(), "UCX_TLS=tcp,self", "UCX_NET_DEVICES="+device)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}
