"""What the system tests share: private servers, daemons, clients, OTLP, and the link equation."""
