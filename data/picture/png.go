package picture

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// withoutClearGrey removes the transparent value from a PNG file of 16-bit grey values. Alpha
// is dropped everywhere, but with this value the standard library would return colours, and
// [Decoding.Clip16Bit] would not apply. It returns other files as they are.
func withoutClearGrey(content []byte) []byte {
	if !IsDeepGrey(content, "png") {
		return content
	}
	for at := 8; at+12 <= len(content); {
		n := int(binary.BigEndian.Uint32(content[at:]))
		if n > len(content)-at-12 || bytes.Equal(content[at+4:at+8], []byte("IDAT")) {
			break
		}
		if bytes.Equal(content[at+4:at+8], []byte("tRNS")) {
			return slices.Concat(content[:at], content[at+12+n:])
		}
		at += 12 + n
	}
	return content
}
