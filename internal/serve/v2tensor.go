package serve

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// values reads the values of an input: [][]byte for BYTES, []float32 for FP32, []byte for UINT8, from
// JSON or from the binary tensors after it.
func (t *v2Input) values(tail []byte) (any, error) {
	n, err := countOf(t.Shape)
	if err != nil {
		return nil, err
	}
	size := t.Parameters.BinaryDataSize
	switch {
	case size == nil && len(tail) > 0:
		return nil, fmt.Errorf("%d bytes follow the JSON object, but no input has the parameter binary_data_size",
			len(tail))
	case size == nil && len(t.Data) == 0:
		return nil, errors.New("it has no data")
	case size != nil && len(t.Data) > 0:
		return nil, errors.New("it has both data and binary_data_size: want one of them")
	case size != nil && *size != len(tail):
		return nil, fmt.Errorf("binary_data_size is %d, but %d bytes follow the JSON object", *size, len(tail))
	}
	switch t.Datatype {
	case "BYTES":
		if size != nil {
			return binaryStrings(tail, n)
		}
		return jsonStrings(t.Data, n)
	case "FP32":
		if size != nil {
			return binaryFloats(tail, n)
		}
		return jsonNumbers(t.Data, n, func(text []byte) (float32, error) {
			v, err := strconv.ParseFloat(string(text), 32)
			return float32(v), err
		})
	case "UINT8":
		if size != nil {
			if len(tail) != n {
				return nil, fmt.Errorf("shape %v has %d values, but there are %d bytes", t.Shape, n, len(tail))
			}
			return tail, nil
		}
		return jsonNumbers(t.Data, n, func(text []byte) (byte, error) {
			v, err := strconv.ParseUint(string(text), 10, 8)
			return byte(v), err
		})
	}
	return nil, fmt.Errorf("datatype %q: want FP32, BYTES or UINT8", t.Datatype)
}

// countOf returns the number of values of a shape.
func countOf(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 1 || d > math.MaxInt32/n {
			return 0, fmt.Errorf("shape %v: want every size to be 1 or more, and at most %d values",
				shape, math.MaxInt32)
		}
		n *= d
	}
	if len(shape) == 0 {
		return 0, errors.New("it has no shape")
	}
	return n, nil
}

// binaryStrings reads n strings, each after its length in four bytes. They share the memory of b.
func binaryStrings(b []byte, n int) ([][]byte, error) {
	if n > len(b)/4 {
		return nil, fmt.Errorf("%d bytes are too few for %d strings", len(b), n)
	}
	all := make([][]byte, n)
	for i := range all {
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, fmt.Errorf("string %d is longer than the data", i)
		}
		size := int(binary.LittleEndian.Uint32(b))
		all[i], b = b[4:4+size:4+size], b[4+size:]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%d bytes are left after the %d strings of its shape", len(b), n)
	}
	return all, nil
}

func binaryFloats(b []byte, n int) ([]float32, error) {
	if len(b) != 4*n {
		return nil, fmt.Errorf("its shape has %d values of 4 bytes, but there are %d bytes", n, len(b))
	}
	all := make([]float32, n)
	for i := range all {
		all[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return all, nil
}

// jsonStrings reads the contents of files in base64, from a list that may be nested.
func jsonStrings(data json.RawMessage, n int) ([][]byte, error) {
	var texts []string
	if err := json.Unmarshal(data, &texts); err != nil {
		var rows [][]string
		if json.Unmarshal(data, &rows) != nil {
			return nil, fmt.Errorf("its data is not a list of strings: %w", err)
		}
		texts = slices.Concat(rows...)
	}
	if len(texts) != n {
		return nil, fmt.Errorf("its shape has %d strings, but its data %d", n, len(texts))
	}
	all := make([][]byte, n)
	for i, text := range texts {
		var err error
		if all[i], err = fromBase64(text); err != nil {
			return nil, fmt.Errorf("string %d: want the content of an image file in base64: %w", i, err)
		}
	}
	return all, nil
}

// jsonNumbers reads the numbers of a list, which may be nested in any way. data is valid JSON.
func jsonNumbers[T byte | float32](data json.RawMessage, n int, parse func(text []byte) (T, error)) ([]T, error) {
	if n > len(data) { // each takes at least a byte
		return nil, fmt.Errorf("its shape has %d values, but its data has fewer", n)
	}
	all := make([]T, 0, n)
	for at := 0; at < len(data); {
		switch data[at] {
		case '[', ']', ',', ' ', '\t', '\n', '\r':
			at++
			continue
		}
		end := at
		for end < len(data) && data[end] != ',' && data[end] != ']' && data[end] > ' ' {
			end++
		}
		v, err := parse(data[at:end])
		if err != nil {
			return nil, fmt.Errorf("value %d of its data is %.20q: want a number of its datatype",
				len(all), data[at:end])
		}
		if len(all) == n {
			return nil, fmt.Errorf("its shape has %d values, but its data more", n)
		}
		all, at = append(all, v), end
	}
	if len(all) != n {
		return nil, fmt.Errorf("its shape has %d values, but its data %d", n, len(all))
	}
	return all, nil
}
