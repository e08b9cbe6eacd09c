// Placeholder of an empty module.
