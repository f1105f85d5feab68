package kernels

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const childVariable = "FASTERNET_TEST_CHILD"

// A process does not inherit the permission for tiles. If the system refuses it, the process uses
// another path.
func TestWithoutPermissionForTiles(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		childWithoutPermission(t)
		return
	}
	for _, denied := range []bool{false, true} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // it ends with the goroutine, because the filter stays on it
			want := "allowed"
			if denied {
				want = "denied"
				if err := denyTiles(); err != nil {
					t.Logf("NOT TESTED HERE: seccomp: %v", err)
					return
				}
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestWithoutPermissionForTiles$", "-test.v")
			cmd.Env = append(os.Environ(), childVariable+"="+want)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("a process with the request %s: %v\n%s", want, err, out)
			}
		}()
		<-done
	}
}

func childWithoutPermission(t *testing.T) {
	denied := os.Getenv(childVariable) == "denied"
	if err := permitTiles(); denied && (err == nil || !strings.Contains(err.Error(), "not permitted")) {
		t.Errorf("the request was denied, and reported as %v", err)
	}
	k := Default()
	if r := BF16AMX.refusal(k.Variant()); denied && r == "" || denied && k.BF16() == BF16AMX {
		t.Errorf("tiles are in use without permission: %q, %s", r, k.BF16())
	}
	if k.BF16() == "" {
		return
	}
	r := rand.New(rand.NewPCG(1, 1))
	a, b := newGuarded(r, 33, 64), newGuarded(r, 64, 48)
	p := k.NewPacked(64, 48, BF16)
	p.Pack(b.Matrix)
	k.Gemm(NewMatrix(make([]float32, 33*48), 33, 48), 1, a.Matrix, p, Matrix{})
}

// denyTiles makes arch_prctl(ARCH_REQ_XCOMP_PERM) fail with EPERM on this thread and in its child
// processes.
func denyTiles() error {
	const (
		load, equal, result = 0x20, 0x15, 0x06 // BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
		allow, errno        = 0x7fff0000, 0x00050000
		number, argument    = 0, 16 // in struct seccomp_data
	)
	filter := []unix.SockFilter{
		{Code: load, K: number},
		{Code: equal, K: unix.SYS_ARCH_PRCTL, Jf: 3},
		{Code: load, K: argument},
		{Code: equal, K: 0x1023, Jf: 1},
		{Code: result, K: errno | uint32(unix.EPERM)},
		{Code: result, K: allow},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
