# The static program alone: no shell, no packages, no MPI. Build the program first:
# cargo build --profile dist --target x86_64-unknown-linux-musl --package tagsmith
FROM scratch
ARG PROGRAM=target/x86_64-unknown-linux-musl/dist/tagsmith
COPY ${PROGRAM} /tagsmith
USER 65532:65532
# Models of the hub and what runs write.
ENV HF_HOME=/data
VOLUME /data
WORKDIR /data
ENTRYPOINT ["/tagsmith"]
CMD ["--help"]
