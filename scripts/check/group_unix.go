//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a process the first of a group. The whole group ends with its context: tests are
// processes that the go command has started.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
