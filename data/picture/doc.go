// Package picture decodes image files and resizes, crops and turns 8-bit images, bit for
// bit as Pillow does, on which published accuracies rest.
//
// [Decode] reads JPEG, PNG, WebP, GIF, BMP, TIFF and PNM files. A [Source] decodes of a
// JPEG file only the part that a crop needs, at a smaller scale where that is enough.
//
// Chroma of JPEG files is interpolated as in libjpeg-turbo; what differs is the rounding of
// the inverse transform: 0.05 levels on average from Pillow's pixels, 3 at most. Files that
// the fast decoder does not know (CMYK, RGB, rare sampling) go to the standard library. All
// other formats without loss have Pillow's pixels.
package picture
