package graph

// Images is the name of the graph input that takes the images.
const Images = "images"
