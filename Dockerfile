# One image for both daemons and for the setup of docker-compose.yml.
FROM debian:12 AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkg-config protobuf-c-compiler \
        libmicrohttpd-dev libgnutls28-dev libpq-dev libhiredis-dev libnng-dev libprotobuf-c-dev \
        libjansson-dev libjwt-gnutls-dev libdeflate-dev libzstd-dev libxxhash-dev uthash-dev uuid-dev libinih-dev \
        libunistring-dev libcurl4-gnutls-dev nodejs npm
WORKDIR /src
COPY . .
RUN cmake --preset release && \
    cmake --build --preset release --target calltrace-api calltrace-correlator
RUN cd api/ui && npm ci --omit=dev --ignore-scripts --no-audit --no-fund && node build.mjs --out /src/build/pages

FROM debian:12
RUN apt-get update && apt-get install -y --no-install-recommends \
        libmicrohttpd12 libgnutls30 libpq5 libhiredis0.14 libnng1 libprotobuf-c1 libjansson4 libjwt-gnutls0 \
        libdeflate0 libzstd1 libxxhash0 libuuid1 libinih1 libunistring2 libcurl3-gnutls \
        ca-certificates openssl && \
    rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin calltrace && \
    install -d -o calltrace -g calltrace /run/calltrace /etc/calltrace
COPY --from=build /src/build/release/api/calltrace-api /usr/local/bin/
COPY --from=build /src/build/release/correlator/calltrace-correlator /usr/local/bin/
COPY --from=build /src/build/pages /usr/local/share/calltrace/pages
COPY schema/local/tls.sh schema/redis/user.rules schema/local/container/setup schema/local/container/ready /usr/local/lib/calltrace/
USER calltrace
EXPOSE 4318
CMD ["calltrace-api", "serve"]
