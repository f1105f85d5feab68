// Package picture decodes image files and resizes, crops and turns 8-bit images. It gives
// the same bits as Pillow, with which published accuracies were measured.
//
// [Decode] reads JPEG, PNG, WebP, GIF, BMP, TIFF and PNM files. A [Source] decodes only the
// part of a JPEG file that a crop needs, at a smaller scale if this is enough.
//
// Chroma of JPEG files is interpolated as in libjpeg-turbo. Only the rounding of the inverse
// transform differs: pixels are 0.05 levels on average from Pillow's, and 3 at most. Files
// that the fast decoder does not know (CMYK, RGB, rare sampling) go to the standard library.
// All other formats without loss give Pillow's pixels.
package picture
