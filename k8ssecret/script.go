package k8ssecret

func (r *reader) script() {}
