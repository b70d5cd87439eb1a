# The proxy before several replicas: Debian's haproxy. docker/compose.scale.yml builds it.
FROM debian:bookworm-slim
# A newer haproxy of the same Debian is the fixed one.
# hadolint ignore=DL3008
RUN apt-get update -q \
 && apt-get install -qy --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/* /var/log/*
COPY docker/haproxy.cfg /etc/haproxy/haproxy.cfg
RUN haproxy -c -f /etc/haproxy/haproxy.cfg
USER 10001:10001
EXPOSE 8000
# Lets go of its port and answers what is in flight; SIGTERM would cut it off.
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /proxy/live HTTP/1.0\\r\\n\\r\\n' >&3; read -r line <&3; [[ $line == *' 200 '* ]]"]
CMD ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
