// Package deploy holds tests of what is shipped: the binary is static and runs
// alone, the examples of deploy/ are accepted, the service unit and the container
// file keep their promises.
package deploy
