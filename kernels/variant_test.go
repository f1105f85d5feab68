package kernels

import (
	"reflect"
	"slices"
	"testing"
)

// A variant has all kernels. makeSets has added the plain activations that it lacks.
func TestVariantsAreComplete(t *testing.T) {
	for v := range variants { // what register has added
		if !slices.Contains(Available(), v) {
			t.Errorf("Available does not list %s", v)
		}
	}
	for _, v := range Available() {
		k, err := New(v, "")
		if err != nil {
			t.Fatal(err)
		}
		f := reflect.ValueOf(k.functions)
		for i := range f.NumField() {
			name, field := f.Type().Field(i).Name, f.Field(i)
			switch field.Kind() {
			case reflect.Func:
				if field.IsNil() {
					t.Errorf("%s has no %s", v, name)
				}
			case reflect.Array: // of products by vectors, from 1 on; of activations
				for j := range field.Len() {
					if field.Index(j).IsNil() && j > 0 {
						t.Errorf("%s has no %s[%d]", v, name, j)
					}
				}
			default:
				if field.IsZero() {
					t.Errorf("%s has no %s", v, name)
				}
			}
		}
	}
}
