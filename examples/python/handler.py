"""Lists what is in a Cloud Storage bucket. Nothing here knows of wifmint: with
GCE_METADATA_HOST set, Google's client finds credentials by itself."""

from google.cloud import storage

client = storage.Client()


def handler(event, context):
    return [blob.name for blob in client.list_blobs(event["bucket"])]
