package graph

// Images is the name of the input of a graph that takes the images.
const Images = "images"
