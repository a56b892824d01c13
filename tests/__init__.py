"""What crosses both packages: real servers, real clients, real faults."""
