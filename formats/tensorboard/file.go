package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"time"

	"fasternet/internal/disk"
)

// Writer appends events to its own file. It is not safe for concurrent use.
type Writer struct {
	file *disk.File
	now  func() time.Time
}

// Create makes a folder, unless it exists, and a new event file in it. Files of earlier processes
// stay. from is the first step that this process will write: TensorBoard ignores this step and
// later ones in the earlier files. So no run has a step twice, whether it resumes or begins again
// because it was killed before its first checkpoint.
func Create(dir string, from int64) (*Writer, error) {
	if err := disk.MakeFolder(dir); err != nil {
		return nil, fmt.Errorf("tensorboard: %w", err)
	}
	w := &Writer{now: time.Now}
	// TensorBoard reads the files of a folder in the order of their names, and finds them by the
	// word tfevents.
	began := w.now().Unix()
	for i := 0; w.file == nil; i++ {
		path := filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%010d.%04d.fasternet", began, i))
		f, err := disk.CreateNew(path, "events")
		if err == nil {
			w.file = f
		} else if !errors.Is(err, fs.ErrExist) || i > 9999 {
			return nil, fmt.Errorf("tensorboard: %w", err)
		}
	}
	err := w.write(w.event(0, versionField, []byte("brain.Event:2")))
	if err == nil {
		err = w.write(w.event(from, sessionField, sessionStart))
	}
	if err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

// Close closes the file.
func (w *Writer) Close() error {
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked returns the checksum of a record: CRC-32C, rotated and shifted as TFRecord does it,
// because a CRC of data that contains CRCs is weak.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// write appends a record in one call, so that nobody reads half of it.
func (w *Writer) write(event []byte) error {
	r := binary.LittleEndian.AppendUint64(make([]byte, 0, len(event)+16), uint64(len(event)))
	r = binary.LittleEndian.AppendUint32(r, masked(r))
	r = append(r, event...)
	r = binary.LittleEndian.AppendUint32(r, masked(event))
	if _, err := w.file.Write(r); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	return nil
}
