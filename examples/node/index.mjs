// Lists what is in a Cloud Storage bucket. Nothing here knows of wifmint: with
// GCE_METADATA_HOST set, Google's library finds credentials by itself.
import {GoogleAuth} from 'google-auth-library';

const auth = new GoogleAuth({scopes: 'https://www.googleapis.com/auth/devstorage.read_only'});
const storage = process.env.API_ENDPOINT_OVERRIDE || 'https://storage.googleapis.com';

export async function handler({bucket}) {
  const {data} = await auth.request({url: `${storage}/storage/v1/b/${encodeURIComponent(bucket)}/o`});
  return (data.items ?? []).map(object => object.name);
}
