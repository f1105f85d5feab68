// Package reference tells what names weights on the Hugging Face hub or at a URL from the paths of
// files, and has them fetched by whoever the program has for that ([Use]). It does not know the
// network, so that a program that needs none has none.
package reference
