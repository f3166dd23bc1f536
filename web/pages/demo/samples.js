// Events as trackers send them (Segment spec), with what a site rarely means to
// collect: an advertising id, a token in a URL, a note in a form.
const pretty = (event) => JSON.stringify(event, null, 2);

const context = {
  ip: '203.0.113.195',
  locale: 'fr-FR',
  page: { url: 'https://shop.example/boots?utm_source=mail&token=9f3a1c', path: '/boots', title: 'Winter boots' },
  device: { type: 'mobile', advertisingId: '7A3CBEA0-BDF5-11E4-8DFC-AA07A5B093DB' },
};

export const samples = [
  {
    name: 'Page view',
    text: pretty({
      type: 'page', name: 'Winter boots', timestamp: '2026-11-22T09:30:00Z',
      context: { ...context, page: { ...context.page, referrer: 'https://search.example/?q=boots+wide+feet' } },
      properties: { category: 'Shoes', scrollDepth: 0.62 },
    }),
  },
  {
    name: 'Order Completed',
    text: pretty({
      type: 'track', event: 'Order Completed', anonymousId: 'b7c1f2d0-51a8', userId: 'u-48213',
      context,
      properties: {
        order_id: 'A-1007', total: 129.9, currency: 'EUR', email: 'jo@mail.example',
        products: [{ sku: 'BOOT-42', name: 'Winter boots', price: 129.9, quantity: 1 }],
        gift_note: 'Get well soon, Mum',
      },
    }),
  },
  {
    name: 'Ad Clicked',
    text: pretty({
      type: 'track', event: 'Ad Clicked', anonymousId: 'b7c1f2d0-51a8',
      context: { ip: context.ip, device: context.device, campaign: { name: 'winter', source: 'adco', medium: 'display' }, page: context.page },
      properties: { product_id: 'BOOT-42', category: 'Shoes', price: 129.9, clickId: 'EAIaIQobChMI' },
    }),
  },
  {
    name: 'Identify with e-mail',
    text: pretty({
      type: 'identify', anonymousId: 'b7c1f2d0-51a8', userId: 'u-48213',
      context: { ip: context.ip, locale: context.locale },
      traits: {
        email: 'jo@mail.example', firstName: 'Jo', phone: '+33 6 12 34 56 78', birthday: '1987-04-19',
        plan: 'plus', address: { street: '12 rue des Lilas', country: 'FR' }, creditScore: 712,
      },
    }),
  },
];

export const first = 1;
