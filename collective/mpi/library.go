//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is a loaded MPI library. The standard fixes the functions, but not their binary interface:
// the predefined handles are addresses of objects in Open MPI's library, and numbers in MPICH's. This
// package needs four of them, and the size of a request.
type library struct {
	path   string
	handle uintptr

	world, bytes, errorsReturn, infoNull uintptr
	requestSize                          int // bytes
	statusIgnore                         uintptr
	anySource                            int

	calls [functions]uintptr
}

// The functions of MPI that this package calls.
const (
	initThread = iota
	finalize
	commRank
	commSize
	commSetErrhandler
	isend
	irecv
	recv
	testall
	iprobe
	allocMem
	freeMem
	abort
	errorString
	libraryVersion
	functions
)

var names = [functions]string{
	"MPI_Init_thread", "MPI_Finalize", "MPI_Comm_rank", "MPI_Comm_size", "MPI_Comm_set_errhandler",
	"MPI_Isend", "MPI_Irecv", "MPI_Recv", "MPI_Testall", "MPI_Iprobe", "MPI_Alloc_mem", "MPI_Free_mem",
	"MPI_Abort", "MPI_Error_string", "MPI_Get_library_version",
}

// The names of the libraries, with the version of their binary interface. All descendants of MPICH
// have libmpi.so.12; Debian calls it libmpich.so.12.
var (
	openMPI = []string{"libmpi.so.40"}
	mpich   = []string{"libmpi.so.12", "libmpich.so.12", "libmpi_cray.so.12"}
)

// load loads the library that fits the launcher.
func load(l launch) (*library, error) {
	paths := append(append([]string{}, openMPI...), mpich...)
	switch v := os.Getenv(Variable); {
	case v == "openmpi":
		paths = openMPI
	case v == "mpich":
		paths = mpich
	case v != "" && v != off:
		paths = []string{v}
	case l.by != "" && !l.open:
		paths = append(append([]string{}, mpich...), openMPI...)
	}
	var why []string
	for _, path := range paths {
		// RTLD_GLOBAL, because the plugins of Open MPI look for its symbols there.
		h, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			why = append(why, err.Error())
			continue
		}
		return bind(path, h)
	}
	return nil, fmt.Errorf("found no MPI (%s); install Open MPI or MPICH (Debian: openmpi-bin or mpich), "+
		"or name the library in %s", strings.Join(why, "; "), Variable)
}

func bind(path string, h uintptr) (*library, error) {
	lib := &library{path: path, handle: h}
	for i, name := range names {
		var err error
		if lib.calls[i], err = purego.Dlsym(h, name); err != nil {
			return nil, fmt.Errorf("%s is not a known MPI library: %w", path, err)
		}
	}
	if world, err := purego.Dlsym(h, "ompi_mpi_comm_world"); err == nil {
		lib.world, lib.requestSize, lib.statusIgnore, lib.anySource = world, 8, 0, -1
		handles := []struct {
			name string
			p    *uintptr
		}{
			{"ompi_mpi_byte", &lib.bytes},
			{"ompi_mpi_errors_return", &lib.errorsReturn},
			{"ompi_mpi_info_null", &lib.infoNull},
		}
		for _, symbol := range handles {
			if *symbol.p, err = purego.Dlsym(h, symbol.name); err != nil {
				return nil, fmt.Errorf("%s is not a known Open MPI: %w", path, err)
			}
		}
		return lib, nil
	}
	_, err := purego.Dlsym(h, "MPIR_F08_MPI_STATUS_IGNORE_OBJ")
	descends := func(name string) bool { return strings.Contains(lib.version(), name) }
	if err != nil && !descends("MPICH") && !descends("Intel") && !descends("MVAPICH") {
		return nil, fmt.Errorf("%s (%s) is neither Open MPI nor compatible with MPICH", path, lib.version())
	}
	// These are MPI_COMM_WORLD, MPI_BYTE, MPI_ERRORS_RETURN and MPI_INFO_NULL in MPICH's mpi.h.
	lib.world, lib.bytes, lib.errorsReturn, lib.infoNull = 0x44000000, 0x4c00010d, 0x54000001, 0x1c000000
	lib.requestSize, lib.statusIgnore, lib.anySource = 4, 1, -2
	return lib, nil
}

// call calls a function of MPI. All of them return an error code.
//
//go:uintptrescapes
func (l *library) call(function int, args ...uintptr) error {
	code, _, _ := purego.SyscallN(l.calls[function], args...)
	if int32(code) == 0 { // MPI_SUCCESS
		return nil
	}
	return fmt.Errorf("%s: %s", names[function], l.explain(int32(code)))
}

func (l *library) explain(code int32) string {
	text := make([]byte, 8192)
	var n int32
	call := l.calls[errorString]
	purego.SyscallN(call, uintptr(code), uintptr(unsafe.Pointer(&text[0])), uintptr(unsafe.Pointer(&n)))
	return strings.Join(strings.Fields(string(text[:max(0, min(int(n), len(text)))])), " ")
}

// version returns the first line of what the library says about itself.
func (l *library) version() string {
	text := make([]byte, 16384) // MPICH asks for 8192
	var n int32
	purego.SyscallN(l.calls[libraryVersion], uintptr(unsafe.Pointer(&text[0])), uintptr(unsafe.Pointer(&n)))
	s, _, _ := strings.Cut(string(text[:max(0, min(int(n), len(text)))]), "\n")
	s, _, _ = strings.Cut(s, ", package")
	return strings.Join(strings.Fields(s), " ")
}
