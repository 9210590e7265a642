package standin

import "github.com/pulumi/pulumi/sdk/v3/go/common/resource"

// plain takes the marks of secrets off, all the way down.
func plain(properties resource.PropertyMap) resource.PropertyMap {
	bare := make(resource.PropertyMap, len(properties))
	for key, value := range properties {
		bare[key] = plainValue(value)
	}
	return bare
}

func plainValue(value resource.PropertyValue) resource.PropertyValue {
	switch {
	case value.IsSecret():
		return plainValue(value.SecretValue().Element)
	case value.IsOutput():
		if output := value.OutputValue(); output.Known {
			return plainValue(output.Element)
		}
		return resource.MakeComputed(resource.NewProperty(""))
	case value.IsArray():
		elements := make([]resource.PropertyValue, len(value.ArrayValue()))
		for i, element := range value.ArrayValue() {
			elements[i] = plainValue(element)
		}
		return resource.NewProperty(elements)
	case value.IsObject():
		return resource.NewProperty(plain(value.ObjectValue()))
	}
	return value
}

// keepSecrets marks as secret what comes back under the name of something that
// went in as a secret. Within objects only the part that was a secret is
// marked; a list with a secret in it is one as a whole, as providers may
// reorder it.
func keepSecrets(properties resource.PropertyMap, given ...resource.PropertyMap) {
	for _, from := range given {
		for key, before := range from {
			now, ok := properties[key]
			switch {
			case !ok || now.IsSecret():
			case now.IsObject() && before.IsObject():
				keepSecrets(now.ObjectValue(), before.ObjectValue())
			case before.ContainsSecrets():
				properties[key] = resource.MakeSecret(now)
			}
		}
	}
}

// markSecrets marks outputs as secret by their names.
func markSecrets(properties resource.PropertyMap, names []string) {
	for _, name := range names {
		if value, ok := properties[resource.PropertyKey(name)]; ok && !value.IsSecret() {
			properties[resource.PropertyKey(name)] = resource.MakeSecret(value)
		}
	}
}
