// Package configs holds the configuration of a run: its typed form, the presets, and the reader of
// YAML files. Errors name file, line and key.
//
// Later sources win: defaults, the preset named by base, the file, and
// settings such as the command line's --set.
package configs
