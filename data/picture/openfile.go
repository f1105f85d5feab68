package picture

import (
	"fmt"
	"io/fs"
	"os"
)

// OpenFile opens a file to read it. A pipe, a socket or a device is an error: reading it could wait
// forever, or never end.
func OpenFile(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|doNotWait, 0)
	if err != nil {
		return nil, nil, readError(err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = readError(err)
	case info.IsDir():
		err = fmt.Errorf("data: %s is a folder; a file is needed", path)
	case !info.Mode().IsRegular():
		err = fmt.Errorf("data: %s is a pipe, a socket or a device; a file is needed", path)
	default:
		return f, info, nil
	}
	f.Close()
	return nil, nil, err
}
