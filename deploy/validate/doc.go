// Package validate holds the manifests of deploy/kubernetes against what their operators
// have published: the schemas of their custom resources, in which no field may be unknown,
// their Go types, and the checks of the MPI operator itself. It is a module of its own, so
// that the program depends on none of it (make test-deploy).
package validate
