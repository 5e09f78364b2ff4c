// Package yamltree lends out the reader of YAML and JSON with places that
// k8ssecret judges manifests by, for files of crpki's own that have to say
// where they are wrong. It adds nothing to it.
package yamltree

import "github.com/crpki/crpki/k8ssecret/internal/tree"

// Source is a text with its lines, Node one value in it, and Document what a
// source holds between its "---".
type (
	Source   = tree.Source
	Node     = tree.Node
	Document = tree.Document
	Pair     = tree.Pair
	Error    = tree.Error
)

// Kinds of nodes.
const (
	Null   = tree.Null
	String = tree.String
	List   = tree.List
	Map    = tree.Map
)

// Read reads all documents of a source, each for itself.
func Read(src *Source) []Document { return tree.Read(src) }
