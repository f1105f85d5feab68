package picture

// IsDeepGrey says whether a file has grey values of more than 8 bits and no alpha.
func IsDeepGrey(content []byte, format string) bool {
	switch format {
	case "png":
		return len(content) > 25 && content[24] == 16 && content[25] == 0
	case "tif":
		d := readDirectory(content)
		return d[tagBits] == 16 && d.orOne(tagSamples) == 1
	case "pnm":
		h, err := parsePNM(content)
		return err == nil && h.channels == 1 && h.most > 255
	}
	return false
}
