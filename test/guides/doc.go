// Package guides tests docs/guides as a reader would: it takes the files and the
// commands out of the pages and runs them, with the built program, in the order of
// docs/guides/README.md and in one folder.
//
// A ```yaml block whose first line is "# NAME" becomes the file NAME, and so does a ```go block whose
// first line is "// NAME". A ```sh block is given to the shell as it is, and must end with exit code 0.
// The lines of a ```text block must be among what the block before it printed, in this order, with any
// number for a number, and anything for "…".
//
// What would take too long is made small where one can see it, by comments in front
// of a block: <!-- tested with `epochs: 60` as `epochs: 2` -->. A page need not know
// about its data: images and weights lie where the pages expect them.
package guides
