// Does with google-auth-library what the test writes on standard input. It is
// run from examples/node, where the library is installed.
import {createInterface} from 'node:readline';
import {GoogleAuth} from 'google-auth-library';

const auth = new GoogleAuth({scopes: 'https://www.googleapis.com/auth/devstorage.read_only'});

const does = {
  project: () => auth.getProjectId(),
  get: async url => {
    const client = await auth.getClient();
    return (await client.request({url})).data.items[0].name;
  },
  call: async (url, audience) => {
    const client = await auth.getIdTokenClient(audience);
    return (await client.request({url})).data.caller;
  },
};

for await (const line of createInterface({input: process.stdin})) {
  const [verb, ...args] = line.split(' ');
  let answer;
  try {
    answer = {value: await does[verb](...args)};
  } catch (e) {
    answer = {error: `${e.name}: ${e.message}`};
  }
  console.log(JSON.stringify(answer));
}
