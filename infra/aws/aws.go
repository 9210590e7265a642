package aws

// namespace is the services' namespace, which their identities are bound to.
const namespace = "trivet"
