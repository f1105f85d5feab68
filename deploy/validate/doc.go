// Package validate checks the manifests of deploy/kubernetes against what their operators publish:
// the schemas of their custom resources, with no unknown field, their Go types, and the checks of the
// MPI operator itself. It is its own module, so that the program does not depend on any of it (make
// test-deploy).
package validate
