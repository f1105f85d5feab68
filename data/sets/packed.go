package sets

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"

	"golang.org/x/exp/mmap"
)

// A packed file consists of, with little-endian numbers:
//
//	header   [64]  magic, version, form, samples, fingerprint of the source; CRC
//	records        for each sample: header [40], name, payload
//	index          for each sample: offset uint64, label int32, 4 zero bytes
//	meta           JSON: classes, and how the file was made
//	footer   [48]  offset of the index and of meta, samples, CRC of both; magic
//
// Checksums are CRC-32C. A file without a footer is not finished.
const (
	packMagic   = "FNPACK\r\n"
	packEnd     = "\r\nFNPEND"
	packVersion = 1

	packHeaderSize   = 64
	recordHeaderSize = 40
	indexEntrySize   = 16
	packFooterSize   = 48

	recordMagic = 0x31434552 // REC1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// PackForm says what the samples of a packed file are.
type PackForm string

// The forms of samples in a packed file.
const (
	PackJPEG    PackForm = "jpeg"    // image files: as they were, or made smaller if they were larger
	PackDecoded PackForm = "decoded" // pixels
)

// packHeader is the start of a packed file.
type packHeader struct {
	decoded     bool
	count       uint64
	fingerprint uint64
}

func (h packHeader) bytes() []byte {
	b := make([]byte, packHeaderSize)
	copy(b, packMagic)
	binary.LittleEndian.PutUint32(b[8:], packVersion)
	if h.decoded {
		b[12] = 1
	}
	binary.LittleEndian.PutUint64(b[16:], h.count)
	binary.LittleEndian.PutUint64(b[24:], h.fingerprint)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func parsePackHeader(b []byte) (h packHeader, err error) {
	if len(b) < packHeaderSize || string(b[:8]) != packMagic {
		return h, errors.New("not a packed file (make one with data pack)")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != packVersion {
		return h, fmt.Errorf("a packed file of version %d; this program reads version %d: pack the data set again",
			v, packVersion)
	}
	if binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return h, errors.New("the header is damaged: its checksum is wrong")
	}
	return packHeader{b[12] == 1, binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])}, nil
}

// record is a sample in a packed file. For an image file the sizes are 0.
type record struct {
	label                   int32
	height, width, channels uint32
	orientation             picture.Orientation // of pixels; an image file has its own
	made                    made
	name                    string
	payload                 []byte
}

func (r *record) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, recordHeaderSize)...)
	b = append(b, r.name...)
	b = append(b, r.payload...)
	h := b[start:]
	binary.LittleEndian.PutUint32(h, recordMagic)
	binary.LittleEndian.PutUint64(h[8:], uint64(len(r.payload)))
	binary.LittleEndian.PutUint32(h[16:], uint32(r.label))
	binary.LittleEndian.PutUint32(h[20:], uint32(len(r.name)))
	binary.LittleEndian.PutUint32(h[24:], r.height)
	binary.LittleEndian.PutUint32(h[28:], r.width)
	binary.LittleEndian.PutUint32(h[32:], r.channels)
	h[36], h[37] = byte(r.orientation), byte(r.made)
	binary.LittleEndian.PutUint32(h[4:], crc32.Checksum(h[8:], castagnoli))
	return b
}

// recordSize returns the length of a record from its header, or -1 if it is not a record.
func recordSize(b []byte) int64 {
	if len(b) < recordHeaderSize || binary.LittleEndian.Uint32(b) != recordMagic {
		return -1
	}
	payload, name := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint32(b[20:])
	if payload > picture.MaxFile || name > 1<<16 {
		return -1
	}
	return recordHeaderSize + int64(name) + int64(payload)
}

var errDamagedRecord = errors.New("the record is damaged: its checksum is wrong; pack the data set again")

// parseRecord checks a whole record. The payload shares the memory of b.
func parseRecord(b []byte) (r record, err error) {
	whole := recordSize(b) == int64(len(b))
	if !whole || binary.LittleEndian.Uint32(b[4:]) != crc32.Checksum(b[8:], castagnoli) {
		return r, errDamagedRecord
	}
	name := binary.LittleEndian.Uint32(b[20:])
	r = record{
		label:       int32(binary.LittleEndian.Uint32(b[16:])),
		height:      binary.LittleEndian.Uint32(b[24:]),
		width:       binary.LittleEndian.Uint32(b[28:]),
		channels:    binary.LittleEndian.Uint32(b[32:]),
		orientation: picture.Orientation(b[36]),
		made:        made(b[37]),
		name:        string(b[recordHeaderSize:][:name]),
		payload:     b[recordHeaderSize+name:],
	}
	return r, nil
}

// made says how a record was made from its sample.
type made byte

const (
	madeUnknown  made = iota // by a version that did not record it
	madeKept                 // the file as it was
	madeLossless             // a PNG file
	madeLossy                // a JPEG file
	madePixels
)

// packMeta is the JSON in a packed file.
type packMeta struct {
	Classes   []string `json:"classes"`
	Form      PackForm `json:"form"`
	ShortSide int      `json:"short_side"`
	Quality   int      `json:"quality,omitempty"`
	Lossy     bool     `json:"lossy,omitempty"`
}

// Packed is a dataset in a packed file, which is mapped into memory. It reads samples in any
// order at the speed of the page cache, and checks each one.
type Packed struct {
	data.Decoder
	path    string
	file    *mmap.ReaderAt
	header  packHeader
	meta    packMeta
	offsets []int64 // of the records, then of the index
	labels  []int32
}

// OpenPacked maps a packed file. It is an error when the file has a different version or is not
// finished, or when its index is damaged.
func OpenPacked(path string) (*Packed, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	switch {
	case info.IsDir():
		return nil, fmt.Errorf("data: %s is a folder; a packed file is needed", path)
	case !info.Mode().IsRegular(): // mapping a pipe would wait forever
		return nil, fmt.Errorf("data: %s is a pipe, a socket or a device; a packed file is needed", path)
	}
	f, err := mmap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	d := &Packed{path: path, file: f}
	if err := d.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("data: %s: %w", path, err), f.Close())
	}
	return d, nil
}

func (d *Packed) open() error {
	size := int64(d.file.Len())
	head := make([]byte, min(size, packHeaderSize))
	if err := d.readAt(head, 0); err != nil {
		return err
	}
	var err error
	if d.header, err = parsePackHeader(head); err != nil {
		return err
	}
	unfinished := errors.New("the file is truncated or was not finished; data pack continues it")
	foot := make([]byte, packFooterSize)
	if size < packHeaderSize+packFooterSize {
		return unfinished
	}
	if err := d.readAt(foot, size-packFooterSize); err != nil {
		return err
	}
	if string(foot[40:]) != packEnd {
		return unfinished
	}
	index, meta := int64(binary.LittleEndian.Uint64(foot)), int64(binary.LittleEndian.Uint64(foot[8:]))
	count := binary.LittleEndian.Uint64(foot[16:])
	damaged := errors.New("the index is damaged; pack the data set again")
	switch {
	case index < packHeaderSize, meta < index, size-packFooterSize < meta,
		count != d.header.count, uint64(meta-index) != count*indexEntrySize, count > uint64(size):
		return damaged
	}
	tail := make([]byte, size-packFooterSize-index)
	if err := d.readAt(tail, index); err != nil {
		return err
	}
	if crc32.Checksum(tail, castagnoli) != binary.LittleEndian.Uint32(foot[24:]) {
		return fmt.Errorf("%w: its checksum is wrong", damaged)
	}
	if err := json.Unmarshal(tail[meta-index:], &d.meta); err != nil {
		return fmt.Errorf("%w: %w", damaged, err)
	}
	if count == 0 {
		return errors.New("no samples")
	}
	last := int64(packHeaderSize)
	for i := range int(count) {
		at := int64(binary.LittleEndian.Uint64(tail[i*indexEntrySize:]))
		label := int32(binary.LittleEndian.Uint32(tail[i*indexEntrySize+8:]))
		if at < last || at > index-recordHeaderSize || label < 0 || int(label) >= len(d.meta.Classes) {
			return damaged
		}
		last = at + recordHeaderSize
		d.offsets, d.labels = append(d.offsets, at), append(d.labels, label)
	}
	d.offsets = append(d.offsets, index)
	return nil
}

// readAt reads from the mapping. If the file was cut short after it was mapped, the read
// faults; readAt turns this into an error.
func (d *Packed) readAt(b []byte, at int64) (err error) {
	defer func(before bool) {
		debug.SetPanicOnFault(before)
		if v := recover(); v != nil {
			err = errors.New("the file cannot be read any more; was it changed since it was opened?")
		}
	}(debug.SetPanicOnFault(true))
	_, err = d.file.ReadAt(b, at)
	return err
}

// Close ends the mapping. The dataset must not be used afterwards.
func (d *Packed) Close() error { return d.file.Close() }

// Decoded reports whether the samples are pixels.
func (d *Packed) Decoded() bool { return d.header.decoded }

// Len returns the number of samples.
func (d *Packed) Len() int { return len(d.labels) }

// Classes lists the class names.
func (d *Packed) Classes() []string { return d.meta.Classes }

// Label returns the class index of sample i.
func (d *Packed) Label(i int) int { return int(d.labels[i]) }

// read returns the record of sample i, in the memory of buf if it is large enough.
func (d *Packed) read(i int, buf []byte) (record, []byte, error) {
	n := int(d.offsets[i+1] - d.offsets[i])
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	err := d.readAt(buf, d.offsets[i])
	var r record
	if err == nil {
		// Records of samples that were left out may follow.
		if size := recordSize(buf); size >= 0 && size <= int64(n) {
			buf = buf[:size]
		}
		r, err = parseRecord(buf)
	}
	if err == nil && r.label != d.labels[i] {
		err = errors.New("the record and the index disagree; pack the data set again")
	}
	if err != nil {
		return r, buf, fmt.Errorf("data: %s[%d]: %w", d.path, i, err)
	}
	return r, buf, nil
}

// Encoded returns the image file of sample i, if the form is [PackJPEG].
func (d *Packed) Encoded(i int, buf []byte) (content []byte, ok bool, err error) {
	if d.Decoded() {
		return nil, false, nil
	}
	r, _, err := d.read(i, buf)
	return r.payload, true, err
}

// EncodedRange returns a part of the image file of sample i, if the form is [PackJPEG]. It does not
// check the record.
func (d *Packed) EncodedRange(i int, offset, size int64, buf []byte) ([]byte, error) {
	head := make([]byte, recordHeaderSize)
	err := d.readAt(head, d.offsets[i])
	if err == nil {
		record := recordSize(head)
		payload := record - int64(binary.LittleEndian.Uint64(head[8:]))
		if record < 0 || record > d.offsets[i+1]-d.offsets[i] || payload+offset+size > record {
			err = errDamagedRecord
		} else {
			if int64(cap(buf)) < size {
				buf = make([]byte, size)
			}
			buf = buf[:size]
			err = d.readAt(buf, d.offsets[i]+payload+offset)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("data: %s[%d]: %w", d.path, i, err)
	}
	return buf, nil
}

// Stored makes m the pixels of sample i as they are in the file, in the memory of buf if it is
// large enough, and returns this memory.
func (d *Packed) Stored(i int, m *picture.Image, buf []byte) (picture.Orientation, []byte, error) {
	r, buf, err := d.read(i, buf)
	if err != nil {
		return 0, buf, err
	}
	*m = picture.Image{
		Pix:      r.payload,
		Height:   int(r.height),
		Width:    int(r.width),
		Channels: int(r.channels),
	}
	if err := m.Check(); err != nil {
		return 0, buf, fmt.Errorf("%w, at %s[%d]", err, d.path, i)
	}
	if r.orientation > 8 {
		r.orientation = 0
	}
	return r.orientation, buf, nil
}

// Image decodes sample i.
func (d *Packed) Image(i int) (*picture.Image, error) {
	if d.header.decoded {
		m := new(picture.Image)
		o, _, err := d.Stored(i, m, nil)
		if err == nil && !d.Decoding().IgnoreOrientation {
			m = picture.Turned(m, o)
		}
		return m, err
	}
	content, _, err := d.Encoded(i, nil)
	if err != nil {
		return nil, err
	}
	return d.Decoding().DecodeNamed(content, d.Name(i))
}

// Name returns the file, the number of sample i, and the name that it had when it was packed.
func (d *Packed) Name(i int) string {
	name := fmt.Sprintf("%s[%d]", d.path, i)
	if packed := d.packedName(i); packed != "" {
		name += " " + packed
	}
	return name
}

// packedName returns the name that sample i had when it was packed, "" if the record has none
// or cannot be read.
func (d *Packed) packedName(i int) string {
	head := make([]byte, recordHeaderSize)
	if d.readAt(head, d.offsets[i]) != nil {
		return ""
	}
	n := int64(binary.LittleEndian.Uint32(head[20:]))
	if n == 0 || n > min(1<<16, d.offsets[i+1]-d.offsets[i]-recordHeaderSize) {
		return ""
	}
	text := make([]byte, n)
	if d.readAt(text, d.offsets[i]+recordHeaderSize) != nil {
		return ""
	}
	return string(text)
}

// Key returns the name of sample i within the dataset.
func (d *Packed) Key(i int) string {
	if name := d.packedName(i); name != "" {
		return filepath.ToSlash(name)
	}
	return strconv.Itoa(i)
}

// StampSize returns the size of the image file of sample i, so that a folder and its packed file
// have the same fingerprint as long as the files are the same. For pixels it returns the checksum
// of their record.
func (d *Packed) StampSize(i int) uint64 {
	head := make([]byte, recordHeaderSize)
	if d.readAt(head, d.offsets[i]) != nil {
		return 0
	}
	if d.Decoded() {
		return uint64(binary.LittleEndian.Uint32(head[4:]))
	}
	return binary.LittleEndian.Uint64(head[8:])
}

// Place returns the file of sample i, and where it is in the file.
func (d *Packed) Place(i int) (file, within string) { return d.path, strconv.Itoa(i) }

var packedFormat = Format{
	Name:    "packed",
	Doc:     `files that "data pack" wrote`,
	Keys:    []string{"train", "val"},
	Example: "train.pack",
	Signs:   []string{"train.pack"},
	Open: func(p *Part) (data.Dataset, error) {
		ds, err := OpenPacked(p.Path(p.File, string(p.Split)+".pack"))
		return orNil(ds, p.called(err))
	},
	Unused: func(d configs.Data) string { return firstFound(d, "val.pack") },
}
