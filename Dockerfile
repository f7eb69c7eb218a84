# The static program alone: no shell, no packages, nothing to update, and so no MPI and no GPU. From a clone:
#   cargo build --profile dist --target x86_64-unknown-linux-musl --locked
#   mkdir -p image/amd64 && cp target/x86_64-unknown-linux-musl/dist/tagsmith image/amd64/
#   docker build --tag tagsmith .
FROM scratch
ARG TARGETARCH=amd64
COPY image/${TARGETARCH}/tagsmith /tagsmith
USER 65532:65532
# Models of the hub.
ENV HF_HOME=/data TAGSMITH_HOST=0.0.0.0 PORT=8080
VOLUME /data
WORKDIR /data
EXPOSE 8080
# There is no shell and no curl: the program asks itself.
HEALTHCHECK CMD ["/tagsmith", "serve", "--check", "http://127.0.0.1:8080/health"]
ENTRYPOINT ["/tagsmith"]
CMD ["serve"]
