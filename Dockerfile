# SPDX-License-Identifier: Apache-2.0
#
# A broker in a container: the program, the libraries it is linked with, and a user who is not root.
#
#   docker build -t ottla .
#   docker run -d -p 127.0.0.1:9092:9092 -e KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092 \
#       -v ottla:/var/lib/ottla ottla
#
# It is configured by the variables KAFKA_* of the Apache Kafka image, or by a server.properties mounted in the place of
# /etc/ottla/server.properties, or both. docker-compose.yml has three of them and a ZooKeeper.

FROM debian:12-slim AS build
WORKDIR /src
COPY tools/install-deps tools/
RUN tools/install-deps run
COPY . .
RUN make build && strip build/ottla

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libevent-core-2.1-7 \
        libisal2 \
        libjansson4 \
        liblz4-1 \
        libsnappy1v5 \
        libzookeeper-st2 \
        libzstd1 \
        zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/log/* \
    && useradd --uid 1000 --home-dir /var/lib/ottla --create-home --shell /usr/sbin/nologin ottla
COPY --from=build /src/build/ottla /usr/bin/ottla
COPY config/container.properties /etc/ottla/server.properties
USER 1000:1000
WORKDIR /var/lib/ottla
VOLUME /var/lib/ottla
EXPOSE 9092
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s \
    CMD ["/usr/bin/ottla", "--health-check", "--environment", "/etc/ottla/server.properties"]
ENTRYPOINT ["/usr/bin/ottla", "--environment"]
CMD ["/etc/ottla/server.properties"]
