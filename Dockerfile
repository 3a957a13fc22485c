# syntax=docker/dockerfile:1
# The same build as `cargo xtask dist`, which a test runs in a clean Debian chroot; see README.
FROM rust:1.95-bookworm AS build
# The base image has C and C++ compilers, make and OpenSSL; libopus is built by cmake as well.
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo xtask dist

FROM debian:bookworm-slim
# The TLS of Kafka's client.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/dist /opt/voice-gateway
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /tmp
# Inside a container loopback is the container's own: listen on every address, and say who is outside with a network policy.
# Compiled plugins: nothing else can be written by that user. A volume there saves compiling at each start.
ENV VG__HTTP__BIND=0.0.0.0:8080 VG__PLUGINS__CACHE_DIR=/tmp/voice-gateway/compiled
EXPOSE 8080/tcp
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["/opt/voice-gateway/bin/voice-gateway", "health", "--url", "http://127.0.0.1:8080"]
STOPSIGNAL SIGINT
ENTRYPOINT ["/opt/voice-gateway/bin/voice-gateway"]
CMD ["serve"]
