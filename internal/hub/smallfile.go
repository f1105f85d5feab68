package hub

import (
	"fmt"
	"io"

	"fasternet/internal/disk"
)

// readSmall reads a file of at most this many bytes.
func readSmall(path string, most int64) ([]byte, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s: larger than %s", path, Bytes(most))
	}
	return text, nil
}
