package picture

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// withoutClearGrey is a PNG file of 16-bit grey values without its transparent value.
// Alpha is dropped everywhere, but the standard library would make colours of such an
// image, of which [Decoding.Clip16Bit] is not asked. Other files are returned as they are.
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
