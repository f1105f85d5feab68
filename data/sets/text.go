package sets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf16"
)

// maxText is the largest class map or annotation file to read, in bytes.
const maxText = 1 << 30

// readText reads a text file, see [decodeText].
func readText(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("data: %w", err)
	case info.IsDir():
		return "", fmt.Errorf("data: %s is a folder; want a text file", path)
	case info.Size() > maxText:
		return "", fmt.Errorf("data: %s has %d bytes; a list may have up to %d bytes", path, info.Size(), maxText)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	text, err := decodeText(content)
	if err != nil {
		return "", fmt.Errorf("data: %s: %w", path, err)
	}
	return text, nil
}

// decodeText returns the text of a file in UTF-8, or in UTF-16 with a byte order mark, as
// Windows writes it. Its lines end in "\n", even if they end in "\r\n" or "\r" in the file.
func decodeText(content []byte) (string, error) {
	var text string
	switch {
	case bytes.HasPrefix(content, []byte{0xff, 0xfe}):
		text = fromUTF16(content[2:], binary.LittleEndian)
	case bytes.HasPrefix(content, []byte{0xfe, 0xff}):
		text = fromUTF16(content[2:], binary.BigEndian)
	default:
		text = strings.TrimPrefix(string(content), "\ufeff")
	}
	// A file in UTF-16 without a mark has zero bytes too.
	if strings.ContainsRune(strings.TrimRight(text, "\x00"), 0) {
		return "", errors.New("not a text: it contains zero bytes; save it as UTF-8")
	}
	text = strings.TrimRight(text, "\x00")
	if strings.ContainsRune(text, '\r') {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	return text, nil
}

func fromUTF16(content []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(content)/2)
	for i := range units {
		units[i] = order.Uint16(content[2*i:])
	}
	return string(utf16.Decode(units))
}
